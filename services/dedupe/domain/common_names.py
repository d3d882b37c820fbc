"""Given names that many people in Finland have, Finnish, Swedish, Russian and international.

Two different names of this list are two people, however alike they are written (Matti and Martti); a name that is not
here and differs by a letter from one is a typing error. The list is part of the model: a change re-decides contacts.
"""

COMMON_GIVEN_NAMES = """
aada aapo aaro aatu ada adele aila aili aino aki albert aleksandr aleksandra aleksei aleksi alexander alexandra alina
alisa allan alma amanda anastasia andreas andrei anette anita anja anna anne anneli anni anniina annika annukka anssi
anton antti anu ari arja armi arto arttu artturi arvi arvo asko asta atte auli aulis aune axel bengt benjamin berit
birgitta bo boris camilla carina carita carl caroline catharina cecilia charlotta christian christina christoffer
daniel daniela david denis dmitri eelis eemeli eemil eerik eero eetu eeva eevi eija eila eino elena elias eliina
eliisa elina elisa elisabet elise ella ellen elli elma elmeri elsa emil emilia emma emmi eric erik erika erkka erkki
ernst esa esko essi ester eva eveliina evelina evgeni fanni frans fredrik gabriel galina georg gun gunilla gustav
göran hanna hannaleena hanne hannele hannes hannu hans harri heidi heikki heini helena helga helge heli helin helka
hellä helmi helvi henna henni henri henriikka henrik henry hilda hilja hilkka hilla hugo iida iines iiris iivari ilja
ilkka ilmari ilona ilpo ilse ilta imre ina inari inga inka inkeri irene irina irja irma irmeli isabella ismo isto ivan
ivar jaakko jaana jalmari jan jani janina janita janne jari jarkko jarmo jarno jasmin jasper jenna jenni jenny jere
jeremias jesse jessica joakim joel johan johanna johannes john jonas joni jonna joona joonas joonatan jorma josefiina
jouko jouni juha juhana juhani juho jukka julia juliana julius jussi justiina jutta juulia juuso jyri jyrki kaarina
kaarlo kai kaija kaisa kaj kalervo kalevi kalle kari karin karita karl karoliina katariina katarina kati katja katri
katriina kauko keijo kerttu kiia kiira kim kimmo kirsi kirsti klaus konsta krister kristian kristiina kristina
kullervo kyllikki kyösti lahja laila laina lari lars lasse laura lauri lea leea leena leevi leif leila lempi lena
lenni leo leon liina liisa lilja lilli linda linnea lotta luca lucas luka lukas lumi lyydia lyyli maaria maarika
maarit magnus maija maiju maire mari maria mariana marianne mariia marika marina marita maritta marja marjaana
marjatta marjo marjukka marjut marketta markku marko markus martin martina martta martti mathias mathilda matias
matilda mats matti mauno mauri max maxim meeri meri merja mervi mia michael miia miika miikka miina mika mikael
mikaela mikhail mikko milja milla milo minea minna minttu mira mirja mirjam mirka mirva monica monika moona morten
nadja natalia natalja nea neea nella nelli netta niilo niina niklas niko nikolai nina noel nooa noora oili oiva ola
olavi oleg olga oliver olivia olli onni orvo oscar oskar oskari osmo ossi otso otto outi paavo paula pauli pauliina
pekka pentti perttu peter petja petra petri petter petteri pia pihla piia pilvi pinja pirita piritta pirjo pirkko pyry
päivi raija raili raimo raine rami rasmus rauha rauni rauno reetta reijo reima reino riikka riina riitta riku risto
ritva robert robin roman ronja roosa rosa ruut saana saara saga saija saila saimi saku salla sami sampo samu samuel
samuli sandra sani sanna sanni sara sari satu sebastian seija selma senja seppo sergei siiri silja simo sini sinikka
sirkka sirpa siru sofia soile sointu sonja stefan sten stina sture sulo susanna suvi sven svetlana sylvi säde taavi
taija taimi taina taisto taneli tanja tapani tapio tarja tarmo taru tatiana tatjana teemu teija tellervo tenho teppo
teresa terhi terho tero terttu teuvo tiia tiina tiit timo titta toini toivo tom tomi tommi toni tony topi topias
torsten tuija tuire tuomas tuomo tuukka tuula tuuli tuulia tuulikki tyyne ulf ulla ulrika urho urpo usko vadim
valentin valeria valtteri vappu veera veeti veijo veikko veli venla vera verna verner vesa victor victoria vieno viivi
viktor viktoria vilho viljami viljo ville vilma viola virpi vladimir väinö wilhelm william wilma xenia yana yrjö yuri
åke åsa
"""
