-- 0012: what the files of collections say of camera, lens and place.
--
-- Why: `camera:`, `lens:` and `near:` search it. It belongs to a place and not to a picture: the same picture posted in
-- Discord must not be found by what the file on this machine says. So it goes with its place, and Discord's have none.

CREATE TABLE exif (
    place_id INTEGER PRIMARY KEY REFERENCES places ON DELETE CASCADE,
    camera   TEXT NOT NULL DEFAULT '',
    lens     TEXT NOT NULL DEFAULT '',
    x        REAL, -- where it was taken, as a point on a sphere of radius 1; NULL: not known
    y        REAL,
    z        REAL,
    CHECK ((x IS NULL) = (y IS NULL) AND (x IS NULL) = (z IS NULL))
) STRICT;
-- Ids from here on are made up for collections (indexer/records/ids.py).
CREATE TRIGGER exif_of_collections_alone BEFORE INSERT ON exif
WHEN EXISTS (SELECT 1 FROM places WHERE place_id = new.place_id AND message_id < 4611686018427387904) BEGIN
    SELECT RAISE(ABORT, 'Exif is kept of collections alone');
END;
