"""What Discord refuses: a request that it would answer with 400 gets 400 here too."""
