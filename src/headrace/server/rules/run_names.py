"""Names for flow runs that nobody has named: two words that are easy to say and to tell apart."""

from __future__ import annotations

import random

_ADJECTIVES = """
able agile amber ample azure balmy bold brave brisk bright calm candid clear clever cosy crisp
curious daring deft dewy eager early easy fair fleet fluent fond frank free fresh gentle glad
golden grand green hardy hazel honest humble jolly keen kind lilac lively loyal lucid lunar mellow
merry mild misty modest neat nimble noble novel olive open pearly placid plain plucky polite prompt
proud quick quiet rapid rosy ruby rustic sage sandy serene silent silver sleek snug solar sound
spry steady still sunny supple sure swift tame tidy tranquil upbeat vivid warm wise witty young
"""

_NOUNS = """
acorn alder anchor apple ash badger barley bay beacon beaver beech birch breeze bridge brook canal
cedar cliff cloud clover comet coral cove crane creek crest curlew dale dawn delta dipper dolphin
dove dune eagle eddy elm ember falcon fern ferry finch fjord ford fountain fox garnet geyser glade
grove gull harbour hare harp hawk heath heron hill ibis inlet isle ivy jetty juniper kestrel lagoon
lake lantern larch lark ledge linnet lynx maple marsh marten meadow mill moss newt oak oasis orchid
osprey otter owl pebble perch pier pine plover pond poplar puffin quartz quay rapids raven reed reef
ridge river robin rowan salmon seal shore sluice sparrow spring spruce stork strait stream swallow
swan teal tern thistle thrush tide trout vale vole walnut weir willow wren yarrow
"""

# As text, the words are easy to read and to mend.
_HOW, _WHAT = _ADJECTIVES.split(), _NOUNS.split()


def made_up(chance: random.Random | None = None) -> str:
    """Return a name of an adjective and a noun, such as `brisk-heron`; others may have it, too.

    Args:
        chance: Where chance comes from; by default, from the operating system's seed.
    """
    choose = random.choice if chance is None else chance.choice
    return f"{choose(_HOW)}-{choose(_WHAT)}"
