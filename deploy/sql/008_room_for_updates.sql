-- Rows that are changed where they stand need no new entry in any index, if their page has room for the new version.
-- https://www.postgresql.org/docs/17/storage-hot.html

ALTER TABLE holdfast.inventory SET (fillfactor = 70);
ALTER TABLE holdfast.reservations SET (fillfactor = 70);
