"""The demo server as an export of DiscordChatExporter, files and media, in the exact shape of the exporter's writer."""
