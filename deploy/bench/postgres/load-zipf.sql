-- Zipf 1.1: the hottest SKU has about an eighth of a million. Scattered, so that hot rows do not lie in one page.
\set sku 1 + permute(random_zipfian(1, :rows, 1.1) - 1, :rows)
