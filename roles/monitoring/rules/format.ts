const spaced = '| reReplaceAll "([0-9])m( |$)" "$1 min$2" | reReplaceAll "([0-9])([a-z])" "$1 $2"'

/** Template of an age or a long time: `45 s`, `13 min`, `18 h 2 min`, `2 d 3 h`. */
export const AGE = `humanizeDuration | reReplaceAll "[.][0-9]+s$" "s" | reReplaceAll "^([0-9]+d [0-9]+h) .*" "$1" | reReplaceAll "^([0-9]+h [0-9]+m) .*" "$1" | reReplaceAll "^([0-9]+m) .*" "$1" ${spaced}`

/** Template of a short time: `250 ms`, `1.25 s`, `1 min 30 s`. */
export const SECONDS = `humanizeDuration | reReplaceAll "([.][0-9]{2})[0-9]*" "$1" ${spaced}`

/** Template of a fraction: `9%`, `1.3%`. */
export const PERCENT = 'humanizePercentage | reReplaceAll "([.][0-9])[0-9]+%" "$1%" | reReplaceAll "[.]0%" "%"'
