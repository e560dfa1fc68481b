#!/usr/bin/env python3
"""Writes common.txt: passwords that guessers try first, lower-cased, one a line, sorted.

The words are the ones that lead every published ranking (written down from memory, no list was copied);
the endings are what people add to satisfy rules about digits and special characters. A password is
compared after NFKC and lower-casing, so one line stands for every capitalisation. Lines shorter than
eight characters are left out: no policy lets them through anyway.

Run in this folder: python3 make_common.py > common.txt
"""

WORDS = """
password passwort passw0rd p@ssword p@ssw0rd pa$$word pa$$w0rd passwd pass admin administrator root user guest test
testing tester login welcome welcom w3lcome letmein let-me-in changeme change secret secure security default master
superuser super sysadmin system server oracle cisco manager support service internet computer laptop network monitor
keyboard windows microsoft google apple samsung facebook instagram twitter linkedin youtube whatsapp android iphone
linux ubuntu debian docker kubernetes postgres mysql mongodb redis github gitlab jenkins stagedoor gateway
qwerty qwertz azerty qwertyuiop qwertzuiop asdfgh asdfghjkl zxcvbn zxcvbnm qazwsx qazwsxedc qweasd qweasdzxc 1qaz2wsx
1q2w3e 1q2w3e4r 1q2w3e4r5t zaq12wsx zaq1 q1w2e3r4 qwer asdf zxcv abcd abcdef abcdefg abcdefgh abc abc123 a1b2c3 a1b2c3d4
monkey dragon shadow sunshine princess football baseball basketball soccer hockey tennis golf superman batman
spiderman pokemon pikachu naruto starwars starwars1 matrix minecraft fortnite roblox mustang ferrari porsche mercedes
harley yamaha honda toyota corvette camaro jaguar hunter killer ranger phoenix tiger lion eagle wolf panther falcon
butterfly flower rainbow angel angels heaven jesus christ blessed faith hope love loveme iloveyou iloveu ilove loveyou
lovely honey sweet sweetie sugar candy cookie chocolate cheese banana orange apple cherry peaches pepper ginger
summer winter spring autumn herbst sommer fruehling january february march april may june july august september october
november december monday tuesday wednesday thursday friday saturday sunday januar februar montag freitag samstag sonntag
michael michelle jennifer jessica ashley amanda nicole daniel andrew joshua matthew anthony robert thomas william
jordan george charlie charles harry oliver jack james john david richard joseph christopher brandon justin steven
alexander alexandra maria anna laura sarah sophie lisa julia katie emily emma olivia hannah natalie vanessa victoria
samantha stephanie elizabeth patricia linda barbara margaret sandra andrea martin peter stefan markus sebastian
patrick kevin brian eric jason ryan tyler austin dallas dakota bailey buster maggie molly lucky rocky max bella
snoopy garfield mickey minnie donald goofy barney homer simpson bond007 gandalf frodo merlin excalibur hogwarts potter
liverpool arsenal chelsea manchester united barcelona realmadrid juventus bayern dortmund schalke hamburg berlin munich
london paris madrid roma milano amsterdam vienna zurich newyork boston chicago miami texas california florida
washington america canada mexico brasil argentina germany deutschland france italia espana england scotland ireland
yankees cowboys steelers lakers eagles raiders packers redsox patriots broncos giants dolphins panthers
purple yellow silver golden green black white blue redred pinky
freedom liberty peace forever friends family mother father mommy daddy mother1 brother sister baby babygirl babyboy
money dollar cash rich million lottery casino poker business company office work team project
hello hallo bonjour ciao hola salut hello123 goodbye whatever nothing something anything everything
access account bank banking credit private hidden mystery magic wizard ninja samurai warrior soldier captain
pirate cowboy gangster player gamer hacker trustno1 nopass nopassword mypassword mypass newpassword oldpassword
yourpassword thepassword temp temporary temppass p4ssword p455word pass1234 passpass passphrase
metallica nirvana slipknot eminem beatles elvis madonna beyonce rihanna shakira music guitar piano drummer dancer
hockey1 runner swimmer surfer skater biker rider racing speed turbo thunder lightning storm fire water earth
diamond crystal emerald ruby pearl star stars moon galaxy universe cosmos space rocket apollo
chicken turtle rabbit bunny kitty kitten puppy doggy horse pony dolphin elephant monkey1 gorilla
asshole fuckyou fuckme fuckoff bitch pussy sexy hottie hotdog
senha contrasena contraseña motdepasse parola haslo heslo salasana wachtwoord sifre parool geheim schatz
liebe hallo123 ficken arschloch mausi engel sonnenschein schmetterling
corona covid covid19 vaccine biden trump obama election bitcoin ethereum crypto blockchain
school student teacher college university library doctor nurse medical hospital
""".split()

# Sequences and repetitions that rank by themselves, without endings.
WHOLE = """
12345678 123456789 1234567890 0123456789 01234567 87654321 987654321 9876543210 0987654321 12341234 123123123 12344321
11223344 1122334455 112233445566 123321123 123454321 147258369 159357456 789456123 741852963 963852741 147852369 102030405060
10203040 123qweasd 123qwe123 123qwe!@# 1234qwer 12345qwert 123456qwerty 123456abc 123456789a 1234567a 12345678a a12345678
a123456789 aa123456 aa12345678 abcd1234 abc12345 abc123456 abc123abc 1234abcd 123abc123 qwerty12 qwe123qwe qweqweqwe
asdasdasd zxczxczxc asdfasdf qwerqwer zxcvzxcv qazqazqaz wsxwsxwsx 1qazxsw2 1qaz@wsx 1qaz!qaz !qaz2wsx !qaz@wsx zaq!2wsx
zaq1zaq1 xsw2zaq1 2wsx3edc 3edc4rfv 4rfv5tgb 1qaz2wsx3edc 1qaz2wsx3edc4rfv q1w2e3r4t5 q1w2e3r4t5y6 1q2w3e4r5t6y qwertyui
qwertyuiop[] asdfghjkl; zxcvbnm,./ poiuytrewq lkjhgfdsa mnbvcxz1 qwerty123 qwerty1234 qwerty12345 qwerty123456
abcdefgh abcdefghi abcdefghij abcdefghijk abcdefghijklmnopqrstuvwxyz aaaaaaaa bbbbbbbb zzzzzzzz xxxxxxxx aaaa1111
00000000 11111111 22222222 33333333 44444444 55555555 66666666 77777777 88888888 99999999 000000000 111111111 999999999
0000000000 1111111111 1212121212 12121212 13131313 69696969 31415926 3141592653 27182818 19841984 20002000 20202020
12345678910 1234567891 123456781 1234567812345678 1111222233334444 p@$$w0rd p@$$word !@#$%^&* !@#$%^&*( !@#$%^&*() )(*&^%$#@!
!@#$qwer qwer!@#$ 1234!@#$ !@#$1234 !qaz1qaz asdf1234 1234asdf asdf;lkj a1s2d3f4 a1s2d3f4g5 z1x2c3v4 zxcv1234 1234zxcv
letmein!now letmeinnow letmeinplease openup123 opensesame open-sesame correcthorsebatterystaple correct horse battery staple
iloveyoualways iloveyousomuch ilovemyself ilovejesus ilovegod iloveyou2 iloveyoubaby ihateyou ihatepasswords
thisisapassword thisismypassword mypasswordis passwordpassword password1password adminadmin admin1admin rootroot
testtest usertest testuser userpass userpassword adminpass adminpassword rootpass rootpassword guestguest
welcomehome welcometo letmeinagain iamthebest whoareyou whatthehell whatthefuck ncc1701d ncc-1701 thx1138x bond007bond
administrator1 supersecret topsecret secretpassword superpassword verysecure dontforget forgetme forgetpassword
football1 baseball1 blink182 slipknot666 metallica1 rockandroll rocknroll manchesterunited chelseafc liverpoolfc
qwertyuiopasdfghjkl qwertyuiopasdfghjklzxcvbnm asdfghjklzxcvbnm qwertyasdfgh qwertyasdfghzxcvbn
""".split()

DIGITS = ["1", "2", "3", "7", "0", "01", "07", "10", "11", "12", "13", "21", "22", "23", "42", "69", "77", "88", "99", "00", "007",
          "111", "123", "321", "666", "777", "1234", "12345", "123456", "12345678", "123456789", "4321"]
YEARS = [str(y) for y in range(1970, 2031)]
MARKS = ["!", "!!", "!!!", ".", "?", "*", "#", "$", "@", "-", "_", "+"]
MIXED = ["1!", "!1", "12!", "123!", "123!!", "1234!", "12345!", "123456!", "123#", "123$", "123.", "123*", "@123", "#123", "!123", "_123",
         "-123", ".123", "@1", "#1", "@1234", "#1234", "$123", "1@", "1#", "1$", "1.", "1?", "1*", "01!", "99!", "007!", "!@#", "@12"]


def endings():
    yield from DIGITS + MARKS + MIXED
    for year in YEARS:
        yield year
        if int(year) >= 2000:
            yield from (year + mark for mark in "!.#@$*?")
            yield from (mark + year for mark in "!@#_-.")


def leet(word):
    return {word, word.replace("o", "0"), word.replace("a", "@"), word.replace("a", "@").replace("o", "0"),
            word.replace("e", "3"), word.replace("i", "1"), word.replace("s", "$")}


found = set(WHOLE)
FEW = ["1", "12", "123", "1234", "12345", "123456", "01", "007", "11", "69", "99", "!", "1!", "12!", "123!", "1234!", "@123", "#1",
       "2000", "2020", "2021", "2022", "2023", "2024", "2025", "2026", "2024!", "2025!", "2026!", "@2025", "@2026"]
TOP = 60

for rank, word in enumerate(dict.fromkeys(WORDS)):
    found.update([word, word + word, word[::-1], "123" + word])
    found.update(word + end for end in (endings() if rank < TOP else FEW))
    for other in leet(word) - {word}:
        found.update(other + end for end in (FEW if rank < TOP else ["", "1", "123", "1!"]))

for line in sorted(w.lower() for w in found):
    if len(line) >= 8:
        print(line)
