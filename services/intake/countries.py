"""How people write the countries that Finnish shops deal with, as ISO 3166-1 codes."""

from __future__ import annotations

_NAMES = """
AT AUT Austria, Itävalta, Österrike, Österreich
AX ALA Åland, Ahvenanmaa, Åland Islands
BE BEL Belgium, Belgia, Belgien
BG BGR Bulgaria, Bulgarien
CA CAN Canada, Kanada
CH CHE Switzerland, Sveitsi, Schweiz
CN CHN China, Kiina, Kina
CY CYP Cyprus, Kypros, Cypern
CZ CZE Czechia, Czech Republic, Tšekki, Tjeckien
DE DEU Germany, Saksa, Tyskland, Deutschland
DK DNK Denmark, Tanska, Danmark
EE EST Estonia, Viro, Estland, Eesti
ES ESP Spain, Espanja, Spanien, España
FI FIN Finland, Suomi
FR FRA France, Ranska, Frankrike
GB GBR United Kingdom, Great Britain, Iso-Britannia, Storbritannien, UK, England
GR GRC Greece, Kreikka, Grekland
HR HRV Croatia, Kroatia, Kroatien
HU HUN Hungary, Unkari, Ungern
IE IRL Ireland, Irlanti, Irland
IN IND India, Intia, Indien
IS ISL Iceland, Islanti, Island
IT ITA Italy, Italia, Italien
JP JPN Japan, Japani
LT LTU Lithuania, Liettua, Litauen
LU LUX Luxembourg, Luxemburg
LV LVA Latvia, Lettland
MT MLT Malta
NL NLD Netherlands, The Netherlands, Alankomaat, Hollanti, Nederländerna, Nederland
NO NOR Norway, Norja, Norge
PL POL Poland, Puola, Polen, Polska
PT PRT Portugal, Portugali
RO ROU Romania, Rumänien
RU RUS Russia, Venäjä, Ryssland
SE SWE Sweden, Ruotsi, Sverige
SI SVN Slovenia, Slovenien
SK SVK Slovakia, Slovakien
TR TUR Turkey, Turkki, Turkiet, Türkiye
UA UKR Ukraine, Ukraina
US USA United States, United States of America, Yhdysvallat, Förenta staterna
"""


def _table() -> dict[str, str]:
    codes: dict[str, str] = {}
    for line in _NAMES.strip().splitlines():
        code, alpha3, names = line.split(" ", 2)
        for name in (code, alpha3, *names.split(", ")):
            codes[name.casefold()] = code
    return codes


CODES = _table()
"""Casefolded alpha-2, alpha-3, and names in English, Finnish and Swedish → alpha-2."""
