// Writes what the shop offers: a build that needs no network.
const { writeFileSync } = require('node:fs')

const OFFERS = ['apples', 'pears', 'plums']
writeFileSync('offers.json', JSON.stringify(OFFERS))
