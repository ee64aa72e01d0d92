"""After a kill: what becomes of the operations that a stack's state has pending."""
