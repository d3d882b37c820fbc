"""Common Finnish names, Finnish- and Swedish-speaking; towns with a postal code; streets. All persons made of them are
imaginary."""

from __future__ import annotations

_GIVEN = """
Aino Aleksi Anna-Liisa Antti Arja Björn Eero Eeva Eino Elina Emilia Emma Ensio Eveliina Hanna Hannele Harri
Heidi Heikki Helmi Henrik Iida Ilmari Inkeri Jaakko Janne Johanna Juha-Pekka Jukka Kaarina Kalle Katariina
Kerttu Kirsi Lauri Leena Lotta Maija Marjatta Markku Matti Mikael Minna Niko Olavi Onni Outi Päivi Pentti
Pirkko Riitta Saara Sanna Sirpa Tapani Teemu Tuula Väinö Ville Åsa
"""

_FAMILY = """
Ahonen Aalto Anttila Backström Eklund Forsström Hakala Hämäläinen Harju Heikkilä Heikkinen Heinonen Hiltunen
Hirvonen Huttunen Jääskeläinen Järvinen Jokinen Kallio Karjalainen Kärkkäinen Kettunen Kinnunen Kokkonen
Koskinen Laaksonen Laine Laitinen Lehtonen Leppänen Lindqvist Mäkelä Mäkinen Manninen Mattila Miettinen
Mustonen Nieminen Niskanen Nurmi Öhman Ojala Peltonen Pitkänen Räsänen Rantanen Rönkkö Saarinen Salminen
Salonen Savolainen Sjöberg Tikkanen Toivonen Turunen Väisänen Vartiainen Virtanen Wikström Ylönen
"""

GIVEN = tuple(_GIVEN.split())
FAMILY = tuple(_FAMILY.split())

TOWNS = (
    ("00100", "Helsinki"),
    ("00530", "Helsinki"),
    ("02100", "Espoo"),
    ("01300", "Vantaa"),
    ("33100", "Tampere"),
    ("20100", "Turku"),
    ("90100", "Oulu"),
    ("40100", "Jyväskylä"),
    ("70100", "Kuopio"),
    ("15110", "Lahti"),
    ("28100", "Pori"),
    ("53100", "Lappeenranta"),
    ("65100", "Vaasa"),
    ("60100", "Seinäjoki"),
    ("96100", "Rovaniemi"),
    ("06100", "Porvoo"),
)

STREETS = (
    "Asemakatu",
    "Hämeenkatu",
    "Kalevankatu",
    "Kauppakatu",
    "Keskuskatu",
    "Kirkkokatu",
    "Koivukuja",
    "Mäntytie",
    "Puistokatu",
    "Rantatie",
    "Satamakatu",
    "Vanhatie",
)
