"""Customer updates flow out: a feed that anyone may follow, from any point, over Server-Sent Events."""
