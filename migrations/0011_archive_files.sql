-- 0011: where an archive has the file of a picture, and in which folders it looks for saved media.
--
-- Why: a hit from an archive is opened by its path on the disk; no link of it works any more. The folders that were named
-- at the import are needed again when a picture is fetched later, by the bot or by another command.

ALTER TABLE places ADD COLUMN path TEXT; -- NULL: there is only the link
ALTER TABLE origins ADD COLUMN media_folders TEXT NOT NULL DEFAULT '[]'; -- a JSON array of absolute paths
