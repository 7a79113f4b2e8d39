// Writes the list of offers. This build needs no network.
const { writeFileSync } = require('node:fs')

const OFFERS = ['apples', 'pears', 'plums']
writeFileSync('offers.json', JSON.stringify(OFFERS))
