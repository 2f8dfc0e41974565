"""A batch's frames as a video, made with ffmpeg."""
