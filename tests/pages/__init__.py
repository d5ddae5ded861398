"""The pages, in a real browser against a real server, and their addresses as everybody."""
