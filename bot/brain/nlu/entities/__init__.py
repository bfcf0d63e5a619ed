"""Order numbers, phones, e-mails, amounts, dates, quantities, products, cities and names in what a customer writes.

`reading` cuts a message into words; each kind of entity has a module of its own that reads them; `extractor` asks them
all and settles what overlaps; `component` is Rasa's door to it.
"""

from bot.brain.nlu.entities.component import PatternEntities
from bot.brain.nlu.entities.extractor import Extractor, extract, set_catalogue
from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.phones import phone_number

__all__ = ["Entity", "Extractor", "PatternEntities", "extract", "phone_number", "set_catalogue"]
