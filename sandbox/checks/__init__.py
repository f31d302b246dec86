"""The requests that Discord refuses: where Discord answers with 400, the sandbox does too."""
