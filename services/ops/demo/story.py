"""What is said and sold on the day, as tables; `scenes` makes requests of them."""

from __future__ import annotations

from typing import Any

from services.ops.demo.doors import NEWSLETTER, QUOTE, Line

# article, title, price in cents
ARTICLES = (
    ("KAHVI-500", "Tumma paahto 500 g", 1790),
    ("KAHVI-250", "Vaalea paahto 250 g", 945),
    ("TEE-100", "Luomutee 100 g", 795),
    ("KUPPI-1", "Keraaminen kuppi", 1450),
    ("MYLLY-1", "Käsimylly", 6900),
    ("PANNU-1", "Pressopannu", 4995),
    ("SUODATIN-100", "Suodatinpaperit 100 kpl", 349),
    ("LAHJA-50", "Lahjakortti", 5000),
)

# title, path
PAGES = (
    ("Kahvikauppa", "/"),
    ("Kahvit", "/kahvit"),
    ("Tumma paahto 500 g", "/kahvit/tumma-paahto"),
    ("Teet", "/teet"),
    ("Tarjoukset", "/tarjoukset"),
    ("Toimitusehdot", "/toimitus"),
    ("Uutiskirje", "/uutiskirje"),
)

# subject, text
MAILS = (
    ("Milloin tilaukseni saapuu?", "Hei, tilasin kahvia viime viikolla. Milloin paketti saapuu?"),
    ("Reklamaatio: rikkinäinen kuppi", "Kuppi oli rikki, kun avasin paketin. Voitteko lähettää uuden?"),
    ("Kiitos", "Kahvi oli erinomaista, kiitos nopeasta toimituksesta."),
    ("Laskun eräpäivä", "Voisiko laskun eräpäivää siirtää viikolla?"),
)

# company, what they ask
QUOTES = (
    ("Kahvila Aalto Oy", "20 kg tummaa paahtoa kuukaudessa"),
    ("Tilitoimisto Numero Oy", "Kahvit toimistoon, 12 henkilöä"),
    ("Rantahotelli Ky", "Aamiaiskahvi 80 vieraalle"),
    ("Puuseppä Laine Tmi", "Lahjapaketteja 30 kpl"),
)

CALL = "Kysyi toimituksesta, sovittiin uusi toimituspäivä"
VIP = "vip"

# What the forms are, as POST /intake/form-definitions takes them.
FORMS: dict[str, dict[str, Any]] = {
    NEWSLETTER: {
        "event": "signup",
        "fields": [
            {"name": "nimi", "label": "Nimi", "to": "full_name"},
            {"name": "sahkoposti", "label": "Sähköposti", "kind": "email", "required": True},
        ],
        "tags_add": ["uutiskirjeen tilaaja"],
        "consent": {
            "purpose": "marketing",
            "channel": "email",
            "text": "Haluan Kahvikaupan uutiskirjeen sähköpostiini.",
            "text_version": "uutiskirje-2026-01",
            "field": "lupa",
        },
        "honeypot": "kotisivu",
    },
    QUOTE: {
        "event": "quote_request",
        "fields": [
            {"name": "nimi", "label": "Nimi", "required": True, "to": "full_name"},
            {"name": "yritys", "label": "Yritys", "to": "organisation"},
            {"name": "puhelin", "label": "Puhelin", "kind": "phone", "required": True},
            {"name": "sahkoposti", "label": "Sähköposti", "kind": "email"},
            {"name": "tarve", "label": "Mitä tarvitset?"},
        ],
        "tags_add": ["tarjouspyyntö"],
    },
}


def order_number(person: int, count: int) -> int:
    """The shop's number of somebody's order: no two orders of any run share one."""
    return 5_200_000_000_000 + person * 1000 + count


def lines_json(lines: tuple[Line, ...]) -> list[dict[str, object]]:
    """Lines as the shop writes them in an order."""
    return [
        {
            "product_id": 8_000_000 + position,
            "sku": line.sku,
            "title": line.title,
            "quantity": line.quantity,
            "price": f"{line.price // 100}.{line.price % 100:02}",
        }
        for position, line in enumerate(lines)
    ]
