"""Batches: generate a shot list into a folder of images, a manifest and a contact sheet."""
