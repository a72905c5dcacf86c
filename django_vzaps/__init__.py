"""Manage VZaps (WhatsApp) instances from Django."""

__version__ = "0.1.0"
