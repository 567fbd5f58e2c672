-- One SKU.
\set sku 1
