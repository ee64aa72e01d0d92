"""What tests of several folders use, and what labs are made of; imports nothing else of the tests."""
