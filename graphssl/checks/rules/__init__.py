"""The rules that `graphssl explain` lists, by what they look at; `all` asks them."""
