-- 0027: who has written in each channel.
--
-- Why: while a member types `from:an`, the bot suggests authors whose messages this member may see. Looked up by author, a
-- suggestion would take the longer the more that author wrote in hidden channels. These rows are read by channel, and only
-- those of the member's own. A row goes with the author's last message in the channel. Triggers keep the count.

CREATE TABLE channel_authors (
    channel_id INTEGER NOT NULL,
    author_id  INTEGER NOT NULL,
    messages   INTEGER NOT NULL CHECK (messages > 0),
    PRIMARY KEY (channel_id, author_id)
) STRICT, WITHOUT ROWID;

INSERT INTO channel_authors (channel_id, author_id, messages)
SELECT channel_id, author_id, count(*) FROM messages GROUP BY channel_id, author_id;

CREATE TRIGGER channel_authors_insert AFTER INSERT ON messages BEGIN
    INSERT INTO channel_authors (channel_id, author_id, messages) VALUES (new.channel_id, new.author_id, 1)
    ON CONFLICT (channel_id, author_id) DO UPDATE SET messages = messages + 1;
END;
CREATE TRIGGER channel_authors_delete AFTER DELETE ON messages BEGIN
    DELETE FROM channel_authors WHERE channel_id = old.channel_id AND author_id = old.author_id AND messages = 1;
    UPDATE channel_authors SET messages = messages - 1 WHERE channel_id = old.channel_id AND author_id = old.author_id;
END;
CREATE TRIGGER channel_authors_move AFTER UPDATE OF channel_id, author_id ON messages
WHEN old.channel_id != new.channel_id OR old.author_id != new.author_id
BEGIN
    DELETE FROM channel_authors WHERE channel_id = old.channel_id AND author_id = old.author_id AND messages = 1;
    UPDATE channel_authors SET messages = messages - 1 WHERE channel_id = old.channel_id AND author_id = old.author_id;
    INSERT INTO channel_authors (channel_id, author_id, messages) VALUES (new.channel_id, new.author_id, 1)
    ON CONFLICT (channel_id, author_id) DO UPDATE SET messages = messages + 1;
END;
