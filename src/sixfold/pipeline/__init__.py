"""The steps from raw data to a release, and what runs them on this machine."""
