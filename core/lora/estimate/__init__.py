"""What a training will take, before it starts: steps, time, memory, disk, advice."""
