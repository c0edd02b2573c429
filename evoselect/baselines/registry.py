"""Baselines by the name that a request gives them."""

from evoselect.baselines.diverse import attribution_diversity, diversity, facility_location
from evoselect.baselines.dsir import dsir
from evoselect.baselines.round_robin import round_robin
from evoselect.baselines.scores import everything, less, max_cosine, mean_cosine, random
from evoselect.baselines.tarot import tarot
from evoselect.baselines.transport_scores import gotd, unbalanced_ot
from evoselect.baselines.tsds import tsds, tsds_uniform
from evoselect.task import Method

BASELINES: dict[str, Method] = {
    "random": random,
    "all": everything,
    "mean_cosine": mean_cosine,
    "less": less,
    "max_cosine": max_cosine,
    "round_robin": round_robin,
    "tsds": tsds,
    "tsds_uniform": tsds_uniform,
    "tarot": tarot,
    "unbalanced_ot": unbalanced_ot,
    "gotd": gotd,
    "diversity": diversity,
    "attribution_diversity": attribution_diversity,
    "facility_location": facility_location,
    "dsir": dsir,
}
