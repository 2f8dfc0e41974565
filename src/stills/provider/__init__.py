"""What makes images: DashScope through its own SDK."""
