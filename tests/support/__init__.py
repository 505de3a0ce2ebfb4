"""What tests of several kinds share: servers that misbehave, and servers that need starting."""
