-- 0020: the colours of pictures.
--
-- Why: `color:red` finds pictures by them. They belong to the content, as the perceptual hash does, and leave with it. 32 bytes, one
-- for each thirty-second of the picture (indexer/records/colours.py). A picture that was read before this version has none
-- until its pixels are read again: they are not stored.

ALTER TABLE pictures ADD COLUMN colours BLOB CHECK (length(colours) = 32);
