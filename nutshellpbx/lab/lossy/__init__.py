"""A disk that forgets at a power cut what nobody synced."""
