"""The words that made-up people and companies are put together from."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN = _words(
    """Ada Aisha Alan Alba Alice Amara Amir Ana Anders Andre Anita Anton Arjun Astrid Aurelie Ayla Basil
    Beatriz Ben Bianca Bjorn Bruno Camille Carla Carlos Cecile Celine Chen Chiara Chloe Clara Claude
    Dana Daniel Daria David Deepa Dennis Diego Dilan Dora Edith Eduardo Eero Elena Elif Elisa Emil
    Emma Enzo Erik Esther Eva Fabian Farah Felix Fiona Florian Freya Gabriel Gemma Georg Gianna Gita
    Grace Greta Gustav Hana Hannah Hans Harriet Hassan Heidi Helena Henrik Hiro Hugo Ida Ilse Imran
    Ines Ingrid Ioana Irene Isaac Isabel Ivan Ivy Jack Jada Jana Jasper Javier Jelena Jens Joana
    Joel Johan Jonas Joris Jose Julia Kai Karin Karl Katya Keiko Kenji Kiran Klara Kofi Lars Laura
    Layla Lea Leo Leonie Lina Linus Liv Lorenzo Lucia Luis Lukas Luna Mads Maja Malik Mara Marc
    Maria Marta Mateo Mathilde Matteo Maya Mei Mia Mila Mina Miriam Mohamed Mona Nadia Naoko Nelly
    Nico Nils Nina Noah Nora Olaf Olga Olivia Omar Oscar Paolo Paul Pedro Petra Pia Priya Rafael
    Rahul Raquel Renata Rita Robin Rosa Ruben Ruth Sami Samir Sandra Sara Selma Sergio Signe Silvia
    Simon Sofia Sonia Stefan Sunil Susan Sven Tariq Teresa Theo Thora Tilda Tim Tomas Tove Umar
    Ursula Valentin Vera Victor Viola Vito Wanda Wei Wilma Xenia Yara Yasmin Yuki Yusuf Zahra Zoe"""
)

FAMILY = _words(
    """Abbott Acheson Adeyemi Ahlberg Albrecht Almeida Amsel Andrade Arai Arnaud Ashdown Atkins Axelsen
    Bader Bakker Balogun Banerjee Barlow Bastos Bauer Becerra Beck Bellini Berger Bianco Bishara
    Blanc Blom Bonnet Borg Bosman Brandt Brenner Brito Brook Brunner Calder Campos Cardoso Castell
    Chandra Chevalier Clement Conti Corbin Costa Crane Dahl Danner Delgado Denner Desai Devos Diallo
    Dietz Dogan Drake Dubois Duarte Eklund Elgar Engel Eriksen Faber Falk Farkas Fenner Ferrari Fisk
    Fontaine Forde Fraser Frey Fuchs Fujita Gallo Garnier Gerber Gibbs Gill Goto Graf Grandin Greco
    Gruber Guerra Haas Hadad Hagen Hale Halvorsen Hansen Harlow Hartmann Hasan Hayashi Heller
    Herrera Hirsch Hobbs Holm Hooper Horvat Huber Ibarra Iqbal Ishii Ivanov Jansen Jarvis Jensen
    Joshi Kaiser Kapoor Karlsen Kato Keane Keller Kessler Khalil Kimura Klein Knight Koch Kohler
    Koster Krause Kumar Lambert Lang Larsen Laurent Leclerc Lehmann Leone Lindgren Lindholm Lopes
    Lorenz Lucas Lund Maas Madsen Maier Malik Marchetti Marsh Martel Mathur Mayer Medina Mehta
    Mercier Meyer Moreau Mori Moser Moss Mueller Nakano Navarro Neri Nilsen Nolan Noor Novak Nyberg
    Oakes Oduya Olsen Ono Orlando Ortega Osman Otto Palmer Paredes Patel Pauli Pavlov Peeters Perrin
    Petit Pinto Pohl Popescu Prager Quist Rao Rasmussen Reed Renard Reyes Ricci Richter Rinaldi
    Roche Rojas Romano Roth Rousseau Sahin Salazar Salo Sanders Santos Sato Schaefer Schmid
    Schneider Sequeira Serra Seidel Sharma Silva Simonsen Singh Solberg Sommer Soto Stahl Steiner
    Strand Suarez Sutter Svensson Tanaka Tavares Thorne Toledo Torres Ulrich Unger Vaher Valdez
    Vance Varga Vega Verhoeven Vidal Vogel Voss Wagner Walden Walter Weber Weiss Wells Wendt Werner
    Whitlock Winter Wolf Wyatt Yamada Yilmaz Young Zander Zeller Ziegler Zimmer"""
)

COMPANY_FIRST = _words(
    """Alder Amber Anchor Arbor Atlas Aurora Basin Beacon Birch Blue Bramble Bridge Bright Broad Canal
    Cedar Clear Cliff Clover Cobalt Copper Coral Crown Delta Dune East Elm Ember Falcon Fern Field
    Forge Fox Garnet Glen Granite Green Grove Gull Harbor Hazel Heron High Hill Ivory Juniper
    Kestrel Lake Lark Linden Lumen Maple Marble Meadow Mill Moor Moss North Oak Ocean Olive Opal
    Orchard Otter Pine Pioneer Plain Prairie Quarry Raven Red Ridge River Robin Rowan Sable Sage
    Sand Silver Slate South Spruce Star Stone Summit Sun Swift Tall Thorn Tide Timber Union Upland
    Valley Vista West Willow Winter Wren"""
)

COMPANY_SECOND = _words(
    """Air Bakery Boat Brew Brick Building Cable Care Cement Chair Chemical Clinic Coffee Cold Crane Dairy
    Data Dental Design Door Electric Energy Fabric Farm Film Fleet Floor Food Freight Garden Gas
    Glass Grain Hardware Health Heat Home Hotel Insurance Kitchen Laser Lens Light Linen Lock
    Machine Marine Media Metal Motor Optics Paint Paper Parts Pipe Plastic Print Pump Rail Roof Seed
    Signal Solar Spice Steel Supply Tea Textile Tile Tool Toy Trade Travel Valve Vet Water Wheel
    Window Wine Wire Wood"""
)

COMPANY_LAST = (
    "Works",
    "Co",
    "Group",
    "Partners",
    "Inc",
    "Ltd",
    "Brothers",
    "Systems",
    "Services",
    "Supply",
    "Labs",
)

TITLES = (
    "Buyer",
    "Owner",
    "Office manager",
    "Head of purchasing",
    "Accountant",
    "Site manager",
    "Sales lead",
    "Technician",
    "Managing director",
    "Assistant",
    "IT administrator",
    "Warehouse lead",
)

UNREADABLE = (
    "ask at the front desk",
    "see website",
    "no phone, mail only",
    "unknown",
    "same as the office",
)
