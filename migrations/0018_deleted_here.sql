-- 0018: messages that whoever runs the bot has deleted from the index.
--
-- Why: Discord and archives may still show them, and the next page that is read must not bring them back. They are no
-- `deletions`: those are Discord's word and last for good, also after a restore; these can be taken back, for which each has
-- its channel (docs/adr/0041). A row is written before its message is deleted, so that a kill in between loses nothing.

CREATE TABLE deleted_here (
    message_id INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL -- no reference: what was deleted stays so when the channel comes back
) STRICT;
CREATE INDEX deleted_here_by_channel ON deleted_here (channel_id, message_id);
