"""Batches: shot lists in; images, a manifest and a contact sheet out."""
