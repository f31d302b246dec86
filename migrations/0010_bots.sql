-- 0010: which authors are bots or webhooks.
--
-- Why: with crawl.bots = false nothing of them is stored. What was stored while it was true goes when the bot starts; so
-- each author says what it is. Authors of earlier versions say nothing: their messages go when the sweep reads them.

ALTER TABLE users ADD COLUMN bot INTEGER CHECK (bot IN (0, 1)); -- NULL: stored before this was known
