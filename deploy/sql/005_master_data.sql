-- What people publish of products and warehouses. The sink keeps these tables from the topics of their names.

CREATE TABLE IF NOT EXISTS holdfast.products (
    sku          text        NOT NULL PRIMARY KEY,
    name         text        NOT NULL,
    description  text,
    weight_grams bigint,
    length_mm    bigint,
    width_mm     bigint,
    height_mm    bigint,
    published_at timestamptz
);

COMMENT ON TABLE holdfast.products IS 'Products as the topic products has them; a tombstone there removes the row';
COMMENT ON COLUMN holdfast.products.published_at IS 'The time of the record';

CREATE TABLE IF NOT EXISTS holdfast.warehouses (
    id             text        NOT NULL PRIMARY KEY,
    name           text,
    latitude       numeric(8, 6),
    longitude      numeric(9, 6),
    timezone       text,
    priority       bigint      NOT NULL,
    handling_hours bigint      NOT NULL,
    km_per_hour    bigint      NOT NULL,
    is_active      boolean     NOT NULL,
    published_at   timestamptz
);

COMMENT ON TABLE holdfast.warehouses IS
    'Warehouses as the topic warehouses has them; a tombstone there makes one inactive';
COMMENT ON COLUMN holdfast.warehouses.priority IS '1 is served from first';
COMMENT ON COLUMN holdfast.warehouses.handling_hours IS 'From the order to the parcel';
COMMENT ON COLUMN holdfast.warehouses.km_per_hour IS 'How far a parcel comes in an hour, along the great circle';
COMMENT ON COLUMN holdfast.warehouses.is_active IS 'Whether it takes new allocations';
COMMENT ON COLUMN holdfast.warehouses.published_at IS 'The time of the record';

GRANT SELECT, INSERT, UPDATE, DELETE ON holdfast.products, holdfast.warehouses TO holdfast_application;
