-- All SKUs alike.
\set sku random(1, :rows)
