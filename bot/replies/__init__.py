"""Search results → Components V2 messages. Pure: data in, a `LayoutView` out; nothing here asks Discord or storage."""
