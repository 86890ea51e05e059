import type { Random } from './random.ts'

const FIRST_NAMES: readonly string[] = (
  'Aaliyah Adam Agnieszka Ahmed Aisha Alejandro Alexandra Ali Amélie Ana Andrei Anna Antonio ' +
  'Arjun Astrid Aylin Beatriz Ben Björn Camille Carlos Chen Chiara Chloé Clara Daniel David ' +
  'Deepa Diego Dmitri Elena Elif Emil Emma Eoin Fatima Felix Fiona Florian François Gabriela ' +
  'Giulia Grace Hana Hannah Hassan Hélène Henrik Hiroshi Ibrahim Ines Ingrid Isabel Ivan Jack ' +
  'Jakub James Jan Jasmine Javier Jing João Johanna Jonas José Julia Kaito Karin Katarzyna ' +
  'Kenji Khadija Kofi Lars Laura Léa Leila Liam Lina Lucas Lucía Łukasz Maja Marco Margaux ' +
  'Maria Mateo Mei Mia Miguel Mohammed Nadia Naoko Natalia Nikhil Noah Nora Oliver Olga Omar ' +
  'Paolo Patrick Pavel Petra Priya Rafael Rania Ravi Rosa Ryan Sakura Samuel Sara Seán Sofia ' +
  'Søren Stefan Sven Tariq Thandiwe Theo Thomas Tomás Uma Valentina Viktor Wei Yara Yuki Zainab Zoe'
).split(' ')

const LAST_NAMES: readonly string[] = (
  'Abdullah Ackermann Adeyemi Almeida Andersen Andersson Bauer Becker Bell Bernard Bianchi ' +
  'Brown Bruno Byrne Campbell Castillo Chen Clark Cohen Costa Da-Silva Davies Demir Diaz Dubois ' +
  'Dupont Eriksson Evans Fernández Ferrari Fischer Fontana Fournier Garcia Gonzalez Gordon ' +
  'Greco Green Gruber Gupta Haddad Hall Hansen Hayashi Hernandez Hoffmann Horvat Hughes Huber ' +
  'Ito Ivanov Jackson Jansen Jensen Johansson Jones Jović Kaya Keller Khan Kim King Klein Kovač ' +
  'Kowalski Kumar Lambert Larsen Laurent Lee Lefèvre Leroy Lewandowski Li Lopez Lund Maier ' +
  'Marino Martin Martinez Mendes Meyer Mishra Mitchell Molina Moore Moreau Moreno Müller Murphy ' +
  "Nagy Nakamura Navarro Nguyen Nielsen Novák O'Brien O'Connor Okafor Olsen Ortiz Patel Pereira " +
  'Petersen Petrov Popescu Ramos Reyes Ricci Rivera Roberts Rodríguez Romano Rossi Roux Ruiz ' +
  'Russo Ryan Saito Santos Sato Schmidt Schneider Schulz Schwarz Sharma Silva Singh Smirnov ' +
  'Smith Sørensen Suzuki Svensson Takahashi Tanaka Taylor Thomas Torres Varga Wagner Walker ' +
  'Wang Weber Williams Wilson Wójcik Wong Wright Yamamoto Yılmaz Young Zhang Zimmermann'
).split(' ')

/** Letters that do not fall apart into a plain one and an accent. */
const PLAIN_LETTERS: Readonly<Record<string, string>> = { ł: 'l', ø: 'o', ı: 'i', ß: 'ss' }

function plain(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFD')
    .replaceAll(/[łøıß]/g, (letter) => PLAIN_LETTERS[letter] ?? letter)
    .replaceAll(/[^a-z-]/g, '')
}

const PLAIN_FIRST = FIRST_NAMES.map(plain)
const PLAIN_LAST = LAST_NAMES.map(plain)

/**
 * Gives people of one organisation: names repeat, as they do among thousands, e-mail addresses
 * do not.
 */
export function namesOf(random: Random, domain: string): () => { name: string; email: string } {
  const taken = new Map<string, number>()
  return () => {
    const first = random.below(FIRST_NAMES.length)
    const last = random.below(LAST_NAMES.length)
    const local = `${PLAIN_FIRST[first]}.${PLAIN_LAST[last]}`
    const times = (taken.get(local) ?? 0) + 1
    taken.set(local, times)
    return {
      name: `${FIRST_NAMES[first]} ${LAST_NAMES[last]}`,
      email: `${local}${times === 1 ? '' : times}@${domain}`,
    }
  }
}
