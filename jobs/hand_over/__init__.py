"""`leasehold send`: alerts to where people and other tools look. One module a kind of sink; `run` goes through them."""
