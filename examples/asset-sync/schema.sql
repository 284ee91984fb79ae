-- One row for each asset that an event has ever named. A deleted asset keeps its last known content, so that it can be restored.
create table if not exists assets (
    id text primary key,
    deleted boolean not null default false,
    -- FileSpin's time of this content. Null where only the deletion is known.
    updated_at timestamptz,
    status text,
    name text,
    -- Not bigint: the provider may send a larger number.
    size numeric,
    checksum text,
    content_type text,
    conversions text[],
    -- Not jsonb, which refuses \u0000 in strings.
    data json
);

-- Records that say nothing about an asset, for a person to look at.
create table if not exists skipped (
    topic text,
    partition int,
    "offset" bigint,
    reason text not null,
    primary key (topic, partition, "offset")
);
