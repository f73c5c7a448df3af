"""Watching a system that runs: were served features what they should have been?"""
