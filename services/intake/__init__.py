"""Intake: what happens outside comes in here, as events, and nothing is accepted before it is safe."""
