"""A video of a batch's images, made with ffmpeg."""
