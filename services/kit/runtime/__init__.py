"""Batches from Kafka, positions in the store, nothing lost. See docs/adr/0001 and the module `consumer`."""

from services.kit.runtime.consumer import Consumer
from services.kit.runtime.inputs import Apply, Emit, Input, Retry, Settle, State
from services.kit.runtime.producer import Producer

__all__ = ["Apply", "Consumer", "Emit", "Input", "Producer", "Retry", "Settle", "State"]
