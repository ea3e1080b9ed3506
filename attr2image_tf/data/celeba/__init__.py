"""CelebA: `builder` prepares and opens it, `files` reads the official files."""
