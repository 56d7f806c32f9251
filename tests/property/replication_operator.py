"""What the operator of the simulated world does in the end."""

from tests.property.replication_downstream import Downstream
from tests.property.replication_world import World


def tidy(world: World) -> None:
    """Do what the operator does in the end: start what lies about, and follow who is right."""
    world.cut = frozenset()
    world.messages.clear()
    for primary in world.primaries:
        primary.frozen = False
        primary.doubt()  # it looks by itself, twice a minute
    for primary in world.primaries:
        if not primary.running:
            primary.restart()
    world.calm(4.0)
    for primary in sorted(world.primaries, key=lambda it: (it.disk.fenced, -it.term)):
        # Three can stop each other in a circle, so that none is left, or not the right one.
        alive = [it for it in world.primaries if it.running]
        if not primary.running and all(it.term < primary.term for it in alive):
            primary.restart()
            world.calm(1.0)
    right = world.root.name
    for primary in [it for it in world.primaries if not it.running]:
        primary.restart()
        assert not primary.running, f"{primary} wins against {world.root}"
        world.primaries.remove(primary)
        if not world.nodes(primary.name) and primary.name != "copy":
            world.upstream[primary.name] = right
            world.downstreams[primary.name] = Downstream(world, primary.name)
    for name in world.downstreams:
        if right not in world.path(name):
            world.upstream[name] = right
            world.downstreams[name].kill()
