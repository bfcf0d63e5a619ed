"""The chat on the shop's website: Rasa's Socket.IO protocol, sessions, images."""
