"""The HTTP side, asked over real sockets."""
