"""Commands for trained models outside of Label Studio: take one away, or have it read a file of texts."""
